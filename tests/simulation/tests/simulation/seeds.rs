//! Every seed is a run that must keep the promises.

use simulation::{FIRST_MANAGED_SEED, World};

/// Seeds that failed once, and why. They are run first, always.
const CASES: &str = include_str!("../../cases.txt");

/// Seeds by tier: half of them from 0 on, half from [`FIRST_MANAGED_SEED`] on.
const SEEDS_QUICK: u64 = 150;
const SEEDS_DEFAULT: u64 = 1_000;
const SEEDS_LONG: u64 = 10_000;

#[test]
fn the_promises_hold_for_every_seed() {
    if let Some(seed) = seed_asked_for() {
        run(seed);
        return;
    }
    let half = seeds() / 2;
    let drawn = (0..half).chain(FIRST_MANAGED_SEED..FIRST_MANAGED_SEED + half);
    cases().into_iter().chain(drawn).for_each(run);
}

/// Runs that together must meet everything.
const RUNS: u64 = 150;

#[test]
fn the_runs_meet_what_they_are_for() {
    let seeds = (0..RUNS / 2).chain(FIRST_MANAGED_SEED..FIRST_MANAGED_SEED + RUNS / 2);
    let mut worlds: Vec<_> = seeds.map(|seed| World::new(seed, None)).collect();
    for world in &mut worlds {
        let outcome = world.run();
        outcome.expect("the other test shows more of it");
    }
    let sum = |of: fn(&World) -> usize| worlds.iter().map(of).sum::<usize>();
    for (what, count) in [
        ("acknowledged", sum(|world| world.counts().acknowledged)),
        ("crashes", sum(|world| world.counts().crashes)),
        ("crashes between commit and answer", sum(|world| world.counts().crashes_after_commit)),
        ("unknown outcomes", sum(|world| world.counts().unknown)),
        ("outcomes that stayed unknown", sum(|world| world.counts().given_up)),
        ("stale decisions", sum(|world| world.counts().stale)),
        ("heads held by another instance", sum(|world| world.counts().postponed)),
        ("events trimmed", sum(|world| usize::try_from(world.counts().trimmed).unwrap_or(usize::MAX))),
        ("cuts with something on the way", sum(|world| world.counts().cuts)),
        ("notifications that came back", sum(|world| world.counts().bounced)),
        ("what is sent again for that", sum(|world| world.counts().sent_again)),
        ("first sightings", sum(|world| world.counts().arrived)),
        ("repeats", sum(|world| world.counts().handed_over - world.counts().arrived)),
    ] {
        println!("{what}: {count}");
        assert!(count >= 20, "{what}: only {count}");
    }
}

#[test]
fn a_seed_leads_to_the_same_run_every_time() {
    let fingerprint = |seed| {
        let mut world = World::new(seed, None);
        let outcome = world.run();
        (outcome, world.trace().len(), world.trace().fingerprint())
    };
    for seed in 0..50 {
        assert_eq!(fingerprint(seed), fingerprint(seed), "seed {seed}");
    }
    assert_ne!(fingerprint(0), fingerprint(1));
}

fn run(seed: u64) {
    let mut world = World::new(seed, None);
    if let Err(violation) = world.run() {
        panic!(
            "{}\nseed {seed}: {violation}\nagain: STANZABUS_SIMULATION_SEED={seed} \
             cargo test --workspace --test simulation every_seed",
            world.trace()
        );
    }
}

/// Lines of `SEED REASON`.
fn cases() -> Vec<u64> {
    let lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let seed = |line: &str| line.split(' ').next().and_then(|seed| seed.parse().ok());
    lines.map(|line| seed(line).unwrap_or_else(|| panic!("no seed in: {line}"))).collect()
}

fn seeds() -> u64 {
    match std::env::var_os("STANZABUS_TEST_TIER").as_deref().and_then(|tier| tier.to_str()) {
        Some("quick") => SEEDS_QUICK,
        Some("long") => SEEDS_LONG,
        _ => SEEDS_DEFAULT,
    }
}

fn seed_asked_for() -> Option<u64> {
    let seed = std::env::var_os("STANZABUS_SIMULATION_SEED")?;
    Some(seed.to_str().and_then(|seed| seed.parse().ok()).expect("STANZABUS_SIMULATION_SEED is a number"))
}
