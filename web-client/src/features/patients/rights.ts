// What a role may do with a patient's record. The server decides; this only spares people dead ends.

import type { Role } from '../../lib/api/types';

const may = (...roles: Role[]) => (role: Role) => roles.includes(role);

export const createsPatients = may('front_desk', 'provider', 'nurse');
export const writesDemographics = may('front_desk', 'provider', 'nurse');
export const managesGuardians = may('front_desk', 'provider', 'nurse');
export const managesCareTeam = may('front_desk', 'provider', 'nurse', 'clinic_admin');
export const readsInsurance = may('front_desk', 'provider', 'nurse', 'compliance');
export const writesInsurance = may('front_desk');
export const readsClinical = may('provider', 'nurse', 'compliance');
export const writesClinical = may('provider', 'nurse');
export const mergesPatients = may('front_desk');
export const exportsRecords = may('provider', 'nurse', 'compliance');
