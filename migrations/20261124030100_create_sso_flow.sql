-- Sign-ins that an OpenID provider has been asked for and has not answered yet. Bound to the browser that asked by a
-- cookie, used once, good for ten minutes.
CREATE TABLE sso_flow (
    sso_flow_id  uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL REFERENCES clinic,
    provider     text NOT NULL,                -- its id in the configuration
    state_hash   bytea NOT NULL UNIQUE CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    nonce        bytea NOT NULL,               -- both sealed under the clinic's data key
    verifier     bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
CREATE INDEX sso_flow_clinic ON sso_flow (clinic_id, expires_at);

ALTER TABLE sso_flow ENABLE ROW LEVEL SECURITY;
ALTER TABLE sso_flow FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON sso_flow USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());

GRANT SELECT, INSERT, DELETE ON sso_flow TO bedside_app;
GRANT UPDATE (used_at) ON sso_flow TO bedside_app;
