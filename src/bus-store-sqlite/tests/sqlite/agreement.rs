#[tokio::test]
async fn random_commands_lead_to_what_the_model_says() {
    for seed in agreement::seeds(0) {
        let opened = super::open().await;
        agreement::agree(opened.store, seed).await;
        drop(opened.guard);
    }
}
