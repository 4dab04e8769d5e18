//! The system of record against a real PostgreSQL. One program, so that it is linked once; a file per subject.

mod auditing;
mod booking;
mod cast;
mod checking_in;
mod demonstration;
mod facts;
mod finding;
mod isolation;
mod key_service;
mod measuring;
mod migrating;
mod moving;
mod notes;
mod recordings;
mod schema;
mod sealing;
mod signing_in;
mod transactions;
