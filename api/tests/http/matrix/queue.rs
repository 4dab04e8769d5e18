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
    Row::new("GET /api/v1/queue", "ssss++++++r+"),
    Row::new("POST /api/v1/visits/{id}/hold", "ssss+h++rrrh").of(|ids| ids.visit).sends(words),
    Row::new("POST /api/v1/visits/{id}/wait", "ssss+h++rrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/move", "ssss+h++rrrh")
        .of(|ids| ids.visit)
        .sends(|_, ids| Some(json!({"provider_id": ids.staff}))),
    Row::new("POST /api/v1/visits/{id}/decline", "ssss+h++rrrh").of(|ids| ids.visit).sends(words),
    Row::new("POST /api/v1/visits/{id}/no-show", "ssss+h++rrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/expect", "ssss+h++rrrh").of(|ids| ids.visit),
    Row::new("GET /api/v1/visits/{id}/waiting-chat", "ssss+h++r+rh").of(|ids| ids.visit),
    Row::new("POST /api/v1/visits/{id}/waiting-chat", "ssss+h++rrrh").of(|ids| ids.visit).sends(message),
    Row::new("POST /api/v1/visits/{id}/waiting-chat/seen", "ssss+h++rrrh").of(|ids| ids.visit),
    Row::new("POST /api/v1/announcements", "ssss+++++rr+")
        .sends(|_, _| Some(json!({"provider_id": null, "words": "The line is long today."}))),
    // Whoever may end one is told that there is none with this id.
    Row::new("DELETE /api/v1/announcements/{id}", "sssshhhhhrrh").of(|ids| ids.visit),
    // Not their own delay, and not a provider.
    Row::new("PUT /api/v1/staff/{id}/delay", "sssshh+++rrh")
        .of(|ids| ids.staff)
        .sends(|_, _| Some(json!({"minutes": 15}))),
    Row::new("GET /api/v1/join/waiting", "s+ssssssssss"),
    Row::new("GET /api/v1/join/events", "s+ssssssssss"),
    Row::new("POST /api/v1/join/messages", "s+ssssssssss").sends(message),
    Row::new("PUT /api/v1/join/devices", "s+ssssssssss").sends(|_, _| {
        Some(json!({"camera": "works", "microphone": "works", "network": "good",
                    "round_trip_ms": 40, "loss": 0, "up_kbps": 1500, "down_kbps": null}))
    }),
];
