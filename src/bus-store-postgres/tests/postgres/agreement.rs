use super::fixture::open_shared;

#[tokio::test]
async fn random_commands_lead_to_what_the_model_says() {
    for seed in agreement::seeds(1_000) {
        let opened = open_shared().await;
        agreement::agree(opened.store, seed).await;
        drop(opened.guard);
    }
}
