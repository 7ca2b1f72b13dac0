//! The simulation finds what is wrong: each way to be wrong is caught.

use simulation::{Mutation, World};

/// Seeds within which each must be caught.
const SEEDS: u64 = 600;

#[test]
fn every_mutation_is_caught() {
    for mutation in Mutation::ALL {
        let caught = (0..SEEDS).find_map(|seed| Some((seed, World::new(seed, Some(mutation)).run().err()?)));
        let Some((seed, violation)) = caught else { panic!("{mutation:?} was not caught in {SEEDS} seeds") };
        println!("{mutation:?}: seed {seed}: {violation}");
    }
}
