// Everyone who may ask the API, signed in over HTTP as they would be.

import { Client, expectStatus, tokenOf } from '../../web-client/e2e/lib/http.mjs';
import { runToEnd } from '../../web-client/e2e/lib/server.mjs';
import { execute, rows } from './database.mjs';

/**
 * Sessions of all roles. Riverside has the demonstration's four; a nurse who is assigned to a patient and a super admin
 * are members of Lakeside, whose roles are changed in the database.
 * @returns {Promise<Record<string, {client: Client, ids: object}>>}
 */
export async function castOf(server) {
  const demo = await server.demo();
  const seeded = await runToEnd(['seed', '--clinic', 'second', '--data', server.data, '--http', `127.0.0.1:${server.port}`], { env: server.env });
  if (seeded.code !== 0) throw new Error(`seed: ${seeded.stderr}`);
  const lakeside = JSON.parse(seeded.stdout);
  await execute(
    server.data,
    `UPDATE staff SET role = 'nurse' WHERE email = '${lakeside.front_desk.email}';
     UPDATE staff SET role = 'super_admin' WHERE email = '${lakeside.clinic_admin.email}';
     INSERT INTO care_assignment (care_assignment_id, clinic_id, staff_id, patient_id, from_at)
     SELECT gen_random_uuid(), s.clinic_id, s.staff_id, '${lakeside.patients[0].patient_id}', now() - interval '1 day'
     FROM staff s WHERE s.role IN ('nurse', 'provider') AND s.clinic_id = '${lakeside.clinic.id}'`,
  );
  const at = await idsOf(server, demo);
  const there = await idsOf(server, lakeside);
  const cast = { nobody: { client: new Client(server.base), ids: at } };
  for (const [role, account, ids] of [
    ['provider', demo.provider, at],
    ['front_desk', demo.front_desk, at],
    ['clinic_admin', demo.clinic_admin, at],
    ['compliance', demo.compliance, at],
    ['nurse', lakeside.front_desk, there],
    ['super_admin', lakeside.clinic_admin, there],
  ]) {
    cast[role] = { client: await new Client(server.base).signIn(account), ids };
  }
  cast.patient = { client: await new Client(server.base).checkIn(demo.visits[0]), ids: at };
  return cast;
}

/** Ids and words that are good in this clinic, so that made-up requests get past the first check. */
async function idsOf(server, { clinic, visits, patients }) {
  const [{ staff_id: provider }] = await rows(server.data, `SELECT staff_id FROM staff WHERE role = 'provider' AND clinic_id = '${clinic.id}'`);
  return {
    visit: visits.map((visit) => visit.visit_id),
    appointment: visits.map((visit) => visit.appointment_id),
    patient: patients.map((patient) => patient.patient_id),
    provider: [provider],
    token: visits.map((visit) => tokenOf(visit.patient_link)),
    date_of_birth: visits.map((visit) => visit.date_of_birth),
  };
}

/** The operations of the served OpenAPI document: method, path template, and what is written about it. */
export async function operationsOf(server) {
  const document = expectStatus(await new Client(server.base).get('/api/openapi.json'), 200).body;
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => ['get', 'put', 'post', 'delete', 'patch'].includes(method))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  return { document, operations };
}
