// The websocket protocol bedside.v1, under the names that the call uses. The types are the server's own.

import type { ClientMessage, ServerMessage } from '../generated/signaling';

export type {
  ChatLine, ClientMessage, CloseReason, LeaveReason, ParticipantView, PhaseView, RecordingView, RefusalCode, Role, RoomView,
  ServerMessage, Slot, SlotDemand, Source, StopReason,
} from '../generated/signaling';

export type ClientQuality = Omit<Extract<ClientMessage, { type: 'quality' }>, 'type'>;
export type Refused = Extract<ServerMessage, { type: 'refused' }>;

export const SUBPROTOCOL = 'bedside.v1';
export const MAX_CHAT_CHARS = 2000;
