//! The waiting room.

use serde_json::{Value, json};
use uuid::Uuid;

use super::row::{Ids, Row};
use crate::app::App;

fn words(_: &App, _: &Ids) -> Option<Value> {
    Some(json!({"words": "One moment, please."}))
}

fn message(_: &App, _: &Ids) -> Option<Value> {
    Some(json!({"message_id": Uuid::now_v7(), "words": "One moment, please."}))
}

pub const ROWS: &[Row] = &[
    Row::new("GET /api/v1/queue", "ss++++++r+"),
    Row::new("POST /api/v1/visits/{id}/hold", "ss+h++rrrh").of(|ids| ids.visit).sends(words),
    Row::new("POST /api/v1/visits/{id}/wait", "ss+h++rrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/move", "ss+h++rrrh")
        .of(|ids| ids.visit)
        .sends(|_, ids| Some(json!({"provider_id": ids.staff}))),
    Row::new("POST /api/v1/visits/{id}/decline", "ss+h++rrrh").of(|ids| ids.visit).sends(words),
    Row::new("POST /api/v1/visits/{id}/no-show", "ss+h++rrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/expect", "ss+h++rrrh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/waiting-chat", "ss+h++r+rh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/waiting-chat", "ss+h++rrrh").of(|ids| ids.visit).sends(message),
    Row::new("POST /api/v1/visits/{id}/waiting-chat/seen", "ss+h++rrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/announcements", "ss+++++rr+")
        .sends(|_, _| Some(json!({"provider_id": null, "words": "The line is long today."}))),
    // Whoever may end one is told that there is none with this id.
    Row::new("DELETE /api/v1/announcements/{id}", "sshhhhhrrh").of(|ids| ids.visit),
    // Not their own delay, and not a provider.
    Row::new("PUT /api/v1/staff/{id}/delay", "sshh+++rrh")
        .of(|ids| ids.staff)
        .sends(|_, _| Some(json!({"minutes": 15}))),
    Row::new("GET /api/v1/join/waiting", "s+ssssssss"),
    Row::new("GET /api/v1/join/events", "s+ssssssss"),
    Row::new("POST /api/v1/join/messages", "s+ssssssss").sends(message),
    Row::new("PUT /api/v1/join/devices", "s+ssssssss").sends(|_, _| {
        Some(json!({"camera": "works", "microphone": "works", "network": "good",
                    "round_trip_ms": 40, "loss": 0, "up_kbps": 1500, "down_kbps": null}))
    }),
];
