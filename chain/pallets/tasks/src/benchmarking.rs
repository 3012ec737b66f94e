//! Benchmarks of every call and of each step of the agenda.
