//! The room machine, told as stories and searched for lies.

mod admission;
mod chat;
mod properties;
mod recording;
mod restart;
mod stage;
mod witness;
