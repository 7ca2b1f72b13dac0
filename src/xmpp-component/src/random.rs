/// 64 bits that nobody can guess: nonces of barriers, jitter of the back-off.
pub(crate) fn random_bits() -> u64 {
    let mut bytes = [0; 8];
    #[expect(clippy::disallowed_methods, reason = "the one source of randomness of this crate")]
    getrandom::fill(&mut bytes).expect("the operating system has a source of randomness");
    u64::from_le_bytes(bytes)
}
