// Three sites in one: a visit's patient under /v/, the portal under /portal, staff everywhere else. Each loads only its own code.

import './lib/ui/base.css';

const root = document.getElementById('root');
if (root) {
  if (location.pathname.startsWith('/v/')) void import('./app/patient').then(({ startPatient }) => startPatient(root));
  else if (/^\/portal(\/|$)/.test(location.pathname)) void import('./app/portal').then(({ startPortal }) => startPortal(root));
  else void import('./app/staff').then(({ startStaff }) => startStaff(root));
}
