//! The API as its clients see it: real PostgreSQL, the real router, one module per thing that people do.
//!
//! Every answer that passes through [`app`] is compared with the OpenAPI document and checked for its headers, so that
//! each test here is also a test of those two.

mod app;
mod attachments;
mod audit;
mod booking;
mod charts;
mod day;
mod document;
mod edges;
mod emergencies;
mod events;
mod exporting;
mod form;
mod guests;
mod identity;
mod join;
mod keeping_out;
mod limits;
mod mail;
mod matrix;
mod notes;
mod portal;
mod queue;
mod recordings;
mod sign_in;
mod story;
mod tampering;
