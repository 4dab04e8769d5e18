// Two sites in one: patients under /v/, staff everywhere else. Each loads only its own code.

import './lib/ui/base.css';

const root = document.getElementById('root');
if (root) {
  if (location.pathname.startsWith('/v/')) void import('./app/patient').then(({ startPatient }) => startPatient(root));
  else void import('./app/staff').then(({ startStaff }) => startStaff(root));
}
