//! The system of record against a real PostgreSQL. One program, so that it is linked once; a file per subject.

mod auditing;
mod authenticator;
mod booking;
mod cast;
mod charts;
mod checking_in;
mod demonstration;
mod facts;
mod finding;
mod isolation;
mod mailing;
mod killing;
mod measuring;
mod merging;
mod migrating;
mod notes;
mod recordings;
mod retention;
mod schema;
mod sealing;
mod second_factors;
mod signing_in;
mod tampering;
mod transactions;
mod tree;
mod unusual;
