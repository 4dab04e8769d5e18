// What the HTTP API speaks, under the names that the pages use. The types are the server's own (generated from its OpenAPI document).

import type { components } from '../../generated/api';

type Schemas = components['schemas'];

export type Role = Me['role'];
export type Site = Schemas['Site'];
export type ConsentText = Schemas['Text'];
export type Me = Schemas['Me'];

export type Opened = Schemas['LinkPage'];
export type Location = Schemas['Location'];
export type JoinState = Schemas['JoinState'];
export type GuestPage = Schemas['GuestPage'];
export type GuestState = Schemas['GuestState'];
export type Guests = Schemas['Guests'];
export type GuestItem = Schemas['GuestItem'];
export type InvitedGuest = Schemas['InvitedGuest'];
export type Ticket = Schemas['IssuedTicket'];

export type LinePlace = Schemas['LinePlace'];
export type WaitingWords = Schemas['WaitingWords'];
export type WaitingMessages = Schemas['Messages'];
export type QueueBoard = Schemas['QueueBoard'];
export type QueueItem = Schemas['QueueItem'];
export type QueueProvider = Schemas['QueueProvider'];
export type Declined = Schemas['Declined'];

export type Today = Schemas['Today'];
export type TodayItem = Schemas['TodayItem'];
export type VisitState = TodayItem['state'];
export interface Page<T> { items: T[]; next_cursor: string | null }
export type PatientItem = Schemas['PatientItem'];
export type Demographics = Schemas['Demographics'];
export type ContactDetails = Schemas['ContactDetails'];
export type PatientRecord = Schemas['PatientRecord'];
export type DemographicsHistory = Schemas['DemographicsHistory'];
export type CreatedPatient = Schemas['CreatedPatient'];
export type Candidates = Schemas['Candidates'];
export type CoverageEntry = Schemas['CoverageEntry'];
export type CoverageHistory = Schemas['CoverageHistory'];
export type Insurance = Schemas['Insurance'];
export type ClinicalEntry = Schemas['ClinicalEntry'];
export type ClinicalHistory = Schemas['ClinicalHistory'];
export type ClinicalLists = Schemas['ClinicalLists'];
export type AllergyStatement = Schemas['AllergyStatement'];
export type Unmerged = Schemas['Unmerged'];
export type NewEmail = Schemas['NewEmail'];
export type Guardians = Schemas['Guardians'];
export type Assignables = Schemas['Assignables'];
export type ClinicSettings = Schemas['ClinicSettings'];
export type CareTeam = Schemas['CareTeam'];
export type ProviderItem = Schemas['ProviderItem'];
export type Booking = Schemas['Booking'];
export type Booked = Schemas['Booked'];
export type LinkIssued = Schemas['IssuedLink'];

export type Attachment = Schemas['AttachmentItem'];
export type AttachmentCategory = Attachment['category'];

export type Visit = Schemas['Visit'];
/** `detail` holds ids, reasons, versions and, for those who may read it, the `text` of a chat line. */
export type TimelineItem = Omit<Schemas['TimelineItem'], 'detail'> & { detail: Record<string, unknown> };
export type Note = Schemas['Note'];
export type Recording = Schemas['RecordingItem'];

export type QualityFigures = Schemas['QualityParticipant'];
export type QualityItem = Schemas['QualityVisit'];
export type VisitQuality = Schemas['QualitySeries'];
export type QualitySeries = Schemas['Series'];
export type QualityPoint = Schemas['Point'];

export type AuditItem = Schemas['AuditEvent'];

export type NextFactor = Schemas['NextFactor'];
export type WaysToConfirm = Schemas['WaysToConfirm'];
export type TotpSecret = Schemas['TotpSecret'];
export type EnrolmentState = Schemas['EnrolmentState'];
export type Enrolled = Schemas['EnrolledAnswer'];
export type AuditPerson = Schemas['AuditPerson'];
export type AuditSeals = Schemas['AuditSeals'];
export type PatientViewer = Schemas['PatientViewer'];
export type AccessFinding = Schemas['AccessFinding'];
export type AccessRules = Schemas['AccessRules'];
export type PortalMe = Schemas['PortalMe'];
export type PortalVisit = Schemas['PortalVisit'];
export type PortalNote = Schemas['PortalNote'];
export type PortalConsent = Schemas['PortalConsent'];
export type PortalAccess = Schemas['PortalAccess'];
export type PortalSessionItem = Schemas['PortalSessionItem'];
export type MailMessage = Schemas['MailMessage'];
export type PatientAccess = Schemas['PatientAccess'];
export type EmergencyAccess = Schemas['EmergencyAccessItem'];
export type EmergencyAccessDetail = Schemas['EmergencyAccessDetail'];
export type Finding = Schemas['EmergencyReviewRequest']['finding'];
export type InvitationPage = Schemas['InvitationPage'];
export type FactorItem = Schemas['FactorItem'];
export type FactorList = Schemas['FactorList'];
export type RecoveryCodes = Schemas['RecoveryCodes'];
export type SessionItem = Schemas['SessionItem'];
export type SessionList = Schemas['SessionList'];
export type SignInItem = Schemas['SignInItem'];
export type StaffMember = Schemas['StaffMember'];
export type StaffList = Schemas['StaffList'];
export type Retention = Schemas['Retention'];
