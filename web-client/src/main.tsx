// Three sites in one: a visit's patient under /v/ and its guests under /g/, the portal under /portal, staff everywhere else. Each loads only its own code.

import './lib/ui/base.css';

const root = document.getElementById('root');
const forPatients = /^\/(v|portal)(\/|$)/.test(location.pathname);
// Installed on a home screen, the site opens where its reader belongs.
if (forPatients) document.querySelector('link[rel=manifest]')?.setAttribute('href', '/portal.webmanifest');
if (root) {
  const byLink = /^\/([vg])\//.exec(location.pathname)?.[1];
  if (byLink) void import('./app/patient').then(({ startPatient }) => startPatient(root, byLink === 'g' ? 'guest' : 'patient'));
  else if (/^\/portal(\/|$)/.test(location.pathname)) void import('./app/portal').then(({ startPortal }) => startPortal(root));
  else void import('./app/staff').then(({ startStaff }) => startStaff(root));
}
