// Every address of the staff's side, and who gets which page. What a role may not see is said, not hidden behind a blank page.

import { useQuery } from '@tanstack/react-query';
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, Navigate, Outlet, useRouter } from '@tanstack/react-router';
import type { ComponentType } from 'react';
import type { Me } from '../lib/api/types';
import { useText } from '../lib/i18n/text';
import { buttonLook, Empty, Failed, Loading } from '../lib/ui';
import { homeOf, maySee, meQuery, rememberPerson, type PageName } from '../features/session/session';
import { Shell } from '../features/session/shell';
import { Invitation } from '../features/session/invitation';
import { AskReset, Reset } from '../features/session/reset';
import { SignIn } from '../features/session/sign-in';

const root = createRootRoute({ component: Outlet, notFoundComponent: Missing });

const front = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: (search: Record<string, unknown>): { next?: string; sso?: string; factors?: string } => {
    const { next, sso, factors } = search;
    return {
      // Only a path of this site: anything else would make the sign-in page a way out to strangers.
      ...(typeof next === 'string' && /^\/app(\/|$)/.test(next) ? { next } : {}),
      // What came of a sign-in by the clinic's provider.
      ...(typeof sso === 'string' ? { sso } : {}),
      ...(typeof factors === 'string' ? { factors } : {}),
    };
  },
  component: Front,
});

const app = createRoute({ getParentRoute: () => root, path: '/app', component: Inside });

const TodayPage = lazyRouteComponent(() => import('../features/today/today'), 'Today') as ComponentType<{ me: Me }>;
const VisitPage = lazyRouteComponent(() => import('../features/visit/visit-page'), 'VisitPage') as ComponentType<{ me: Me; visitId: string }>;
const PatientListPage = lazyRouteComponent(() => import('../features/patients/list'), 'PatientList') as ComponentType<{ me: Me }>;
const NewPatientPage = lazyRouteComponent(() => import('../features/patients/new-patient'), 'NewPatient') as ComponentType<{ me: Me }>;
const ChartPage = lazyRouteComponent(() => import('../features/patients/chart'), 'Chart') as ComponentType<{ me: Me; patientId: string }>;
const MergePage = lazyRouteComponent(() => import('../features/patients/merge'), 'Merge') as ComponentType<{ me: Me; patientId: string; otherId: string }>;
const QualityListPage = lazyRouteComponent(() => import('../features/quality/list'), 'QualityList') as ComponentType<{ me: Me }>;
const QualityVisitPage = lazyRouteComponent(() => import('../features/quality/visit'), 'QualityVisit') as ComponentType<{ visitId: string }>;
const EmergencyAccessPage = lazyRouteComponent(() => import('../features/compliance/emergency-access'), 'EmergencyAccessPage') as ComponentType<{ me: Me }>;
const AuditPage = lazyRouteComponent(() => import('../features/audit/audit'), 'Audit') as ComponentType<{ me: Me }>;

const MailPage = lazyRouteComponent(() => import('../features/mail/mail'), 'Mail') as ComponentType<{ me: Me }>;
const AccountPage = lazyRouteComponent(() => import('../features/account/account'), 'Account') as ComponentType<{ me: Me }>;
const SettingsPage = lazyRouteComponent(() => import('../features/settings/settings'), 'SettingsPage') as ComponentType<{ me: Me }>;
const StaffPage = lazyRouteComponent(() => import('../features/staff/staff'), 'StaffPage') as ComponentType<{ me: Me }>;

const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation/$token',
  component: function InvitationRoute() {
    const { token } = invitation.useParams();
    const { navigate } = useRouter();
    return <Invitation token={token} onSignedIn={(me) => void navigate({ to: homeOf(me.role), replace: true })} />;
  },
});
const forgot = createRoute({ getParentRoute: () => root, path: '/forgot', component: AskReset });
const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset/$token',
  component: function ResetRoute() {
    return <Reset token={reset.useParams().token} />;
  },
});
const account = createRoute({ getParentRoute: () => app, path: 'account', component: () => <Page name="account">{(me) => <AccountPage me={me} />}</Page> });
const staffList = createRoute({ getParentRoute: () => app, path: 'staff', component: () => <Page name="staff">{(me) => <StaffPage me={me} />}</Page> });
const settings = createRoute({ getParentRoute: () => app, path: 'settings', component: () => <Page name="settings">{(me) => <SettingsPage me={me} />}</Page> });
const RetentionPage = lazyRouteComponent(() => import('../features/retention/retention'), 'Retention') as ComponentType<{ me: Me }>;

const home = createRoute({ getParentRoute: () => app, path: '/', component: () => <Page>{(me) => <Home me={me} />}</Page> });
const today = createRoute({ getParentRoute: () => app, path: 'today', component: () => <Page name="today">{(me) => <TodayPage me={me} />}</Page> });
const patients = createRoute({ getParentRoute: () => app, path: 'patients', component: () => <Page name="patients">{(me) => <PatientListPage me={me} />}</Page> });
const newPatient = createRoute({ getParentRoute: () => app, path: 'patients/new', component: () => <Page name="patients">{(me) => <NewPatientPage me={me} />}</Page> });
const patient = createRoute({
  getParentRoute: () => app,
  path: 'patients/$patientId',
  component: function PatientRoute() {
    const { patientId } = patient.useParams();
    return <Page name="patients">{(me) => <ChartPage me={me} patientId={patientId} />}</Page>;
  },
});
const merge = createRoute({
  getParentRoute: () => app,
  path: 'patients/$patientId/merge/$otherId',
  component: function MergeRoute() {
    const { patientId, otherId } = merge.useParams();
    return <Page name="patients">{(me) => <MergePage key={`${patientId} ${otherId}`} me={me} patientId={patientId} otherId={otherId} />}</Page>;
  },
});
const quality = createRoute({ getParentRoute: () => app, path: 'quality', component: () => <Page name="quality">{(me) => <QualityListPage me={me} />}</Page> });
const audit = createRoute({ getParentRoute: () => app, path: 'audit', component: () => <Page name="audit">{(me) => <AuditPage me={me} />}</Page> });
const mail = createRoute({ getParentRoute: () => app, path: 'mail', component: () => <Page name="mail">{(me) => <MailPage me={me} />}</Page> });
const emergencyAccess = createRoute({ getParentRoute: () => app, path: 'emergency_access', component: () => <Page name="emergency_access">{(me) => <EmergencyAccessPage me={me} />}</Page> });
const retention = createRoute({ getParentRoute: () => app, path: 'retention', component: () => <Page name="retention">{(me) => <RetentionPage me={me} />}</Page> });
const visit = createRoute({
  getParentRoute: () => app,
  path: 'visits/$visitId',
  component: function VisitRoute() {
    const { visitId } = visit.useParams();
    return <Page name="visit">{(me) => <VisitPage me={me} visitId={visitId} />}</Page>;
  },
});
const qualityVisit = createRoute({
  getParentRoute: () => app,
  path: 'quality/$visitId',
  component: function QualityVisitRoute() {
    const { visitId } = qualityVisit.useParams();
    return <Page name="quality">{() => <QualityVisitPage visitId={visitId} />}</Page>;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([front, invitation, forgot, reset, app.addChildren([home, account, staffList, settings, today, patients, newPatient, patient, merge, quality, audit, emergencyAccess, retention, mail, visit, qualityVisit])]),
  defaultPendingComponent: Loading,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register { router: typeof router }
}

/** `/`: the sign-in, or for whoever is signed in already, where they belong. */
function Front() {
  const { next, sso, factors } = front.useSearch();
  const ssoFactors = (['totp', 'webauthn'] as const).filter((kind) => factors?.split(',').includes(kind));
  const { data: me, error, refetch, isPending } = useQuery(meQuery);
  if (me) return <Navigate to={next ?? homeOf(me.role)} replace />;
  if (error) return <Failed error={error} onRetry={() => void refetch()} />;
  if (isPending) return <Loading />;
  return <SignIn expired={next !== undefined} sso={sso} ssoFactors={ssoFactors} onSignedIn={() => undefined} />;
}

/** Everything under `/app` needs someone signed in; the way back is remembered. */
function Inside() {
  const { data: me, error, refetch, isPending } = useQuery(meQuery);
  const { history } = useRouter();
  if (error) return <Failed error={error} onRetry={() => void refetch()} />;
  if (isPending) return <Loading />;
  if (!me) return <Navigate to="/" search={{ next: history.location.pathname }} replace />;
  rememberPerson(me);
  return <Shell me={me}><Outlet /></Shell>;
}

function Page({ name, children }: { name?: PageName; children: (me: Me) => React.ReactNode }) {
  const { t } = useText();
  const { data: me } = useQuery(meQuery);
  if (!me) return null;
  if (name && !maySee(me.role, name)) {
    return <Empty alone icon="lock" title={t('no_permission.title')} action={<Link to={homeOf(me.role)} className={buttonLook()}>{t('missing.home')}</Link>}>{t('problem.forbidden')}</Empty>;
  }
  return children(me);
}

function Home({ me }: { me: Me }) {
  const { t } = useText();
  const to = homeOf(me.role);
  if (to !== '/app') return <Navigate to={to} replace />;
  return <Empty alone icon="person" title={t('no_home.title')}>{t('no_home.body', { role: t(`role.${me.role}`) })}</Empty>;
}

function Missing() {
  const { t } = useText();
  return <Empty alone icon="search" title={t('missing.title')} action={<Link to="/" className={buttonLook()}>{t('missing.home')}</Link>}>{t('missing.body')}</Empty>;
}
