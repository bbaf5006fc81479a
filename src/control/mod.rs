//! The commands that WRITE what is not ours, on a person's word: repairs. Everything else in the house only reads.

pub mod repair;
