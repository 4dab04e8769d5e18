// What the HTTP API speaks, by name.

export type Role =
  | 'patient' | 'guardian' | 'interpreter' | 'provider' | 'nurse'
  | 'front_desk' | 'clinic_admin' | 'compliance' | 'super_admin';

export interface Site { name: string; support_phone: string; demo: boolean }
export interface ConsentText { kind: string; version: string; lang: string; title: string; body: string }
export interface Me {
  staff_id: string;
  name: string;
  role: Role;
  clinic: { id: string; name: string; time_zone: string };
  idle_expires_at: string;
  expires_at: string;
}

export interface Opened { clinic_name: string; clinic_phone: string }
export interface Location { region: string; callback_phone: string; emergency_address: string }
export interface Consent { version: string; accepted_at: string }
export type VisitState = 'booked' | 'checking_in' | 'waiting' | 'in_visit' | 'ended' | 'cancelled';
export interface JoinState {
  visit_id: string;
  patient_name: string;
  provider_name: string;
  clinic_name: string;
  clinic_phone: string;
  starts_at: string;
  ends_at: string;
  location: Location | null;
  consent: Consent | null;
  visit_state: VisitState;
}
export interface Ticket { ticket: string; expires_in_s: number; subprotocol: string }

export interface TodayItem {
  appointment_id: string;
  visit_id: string;
  patient_name: string;
  provider_id: string;
  provider_name: string;
  starts_at: string;
  ends_at: string;
  visit_type: string;
  reason: string | null;
  state: VisitState;
  waiting_since: string | null;
  note_state: 'none' | 'draft' | 'signed';
  link_state: 'none' | 'active' | 'revoked' | 'expired' | 'locked';
}
export interface Today { date: string; time_zone: string; items: TodayItem[] }
export interface PatientItem { patient_id: string; name: string; date_of_birth: string; mrn: string }
export interface Page<T> { items: T[]; next_cursor: string | null }
export interface ProviderItem { staff_id: string; name: string }
export interface Booking {
  patient_id: string;
  provider_id: string;
  starts_at: string;
  ends_at: string;
  visit_type: 'video' | 'phone' | 'in_person';
  reason: string;
}
export interface Booked { appointment_id: string; visit_id: string; link: string; link_expires_at: string }
export interface LinkIssued { link: string; opens_at: string; expires_at: string }

export interface Visit {
  visit_id: string;
  appointment_id: string;
  state: VisitState;
  patient: { patient_id: string; name: string; date_of_birth: string; location: Location | null };
  provider_name: string;
  starts_at: string;
  started_at: string | null;
  ended_at: string | null;
  reason: string | null;
  consent: Consent | null;
}
export interface TimelineItem { seq: number; at: string; fact: string; by_name: string | null; detail: Record<string, unknown> }
export interface Addendum { body: string; author: string; at: string }
export interface Note {
  state: 'none' | 'draft' | 'signed';
  body: string;
  version: number;
  signed_at: string | null;
  signed_by: string | null;
  addenda: Addendum[];
}
export type RecordingState = 'capturing' | 'captured' | 'composing' | 'ready' | 'failed' | 'interrupted';
export interface Recording {
  recording_id: string;
  state: RecordingState;
  started_at: string;
  stopped_at: string | null;
  duration_ms: number | null;
  bytes: number | null;
  sha256: string | null;
  gaps: number | null;
}

export interface QualityFigures {
  participant_id: string;
  role: Role;
  mos: number | null;
  round_trip_ms: number | null;
  loss: number | null;
  jitter_ms: number | null;
  bitrate_bps: number | null;
}
export interface QualityItem {
  visit_id: string;
  started_at: string | null;
  ended_at: string | null;
  provider_name: string;
  participants: QualityFigures[];
  worst_mos: number | null;
}
export interface QualityPoint {
  at: string;
  round_trip_ms: number | null;
  loss: number | null;
  jitter_ms: number | null;
  bitrate_bps: number | null;
  freezes: number | null;
  concealed_ratio: number | null;
  mos: number | null;
}
export interface QualitySeries { participant_id: string; role: Role; direction: 'up' | 'down'; points: QualityPoint[] }
export interface VisitQuality { visit_id: string; formula: string; series: QualitySeries[] }

export interface AuditItem {
  seq: number;
  at: string;
  actor_id: string | null;
  actor_name: string | null;
  actor_role: string;
  action: string;
  resource_type: string;
  resource_id: string | null;
  patient_id: string | null;
  patient_ids: string[];
  outcome: 'allowed' | 'denied' | 'failed';
  reason: string | null;
  address: string | null;
  user_agent: string | null;
  request_id: string | null;
  detail: unknown;
}
