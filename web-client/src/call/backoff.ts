/** How long to wait before attempt `attempt` (from 0), milliseconds: doubles to a cap, half of it random so that a restarted server is not met by everyone at once. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(4_000, 250 * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.5 + 0.5 * random()));
}
