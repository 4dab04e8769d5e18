// Attacks and endurance ask far more often than people do.

/** Environment that lifts the limits of how often one may ask; nothing else. */
export function unlimited() {
  return {};
}
