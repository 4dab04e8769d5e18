-- Staff who lost every factor, and accounts that strangers knock at.

-- An administrator took all second factors away: for a while the password opens the way to a new one, and to nothing else.
ALTER TABLE staff ADD COLUMN factors_reset_at timestamptz;

-- A browser can be known before it has signed in: by a mailed link. It is not turned away with strangers, but its codes
-- count with theirs, since who reads somebody's mail has not shown a second factor yet.
ALTER TABLE known_device ADD COLUMN signed_in boolean NOT NULL DEFAULT true;

-- Strangers who ask for a new password again and again must not make the link that its owner got stop working: there may
-- be several, and the first one that is used ends the others.
DROP INDEX staff_link_open;
CREATE UNIQUE INDEX staff_link_open ON staff_link (staff_id) WHERE purpose = 'invitation' AND used_at IS NULL AND revoked_at IS NULL;

COMMENT ON COLUMN sign_in_account.account_hash IS 'SHA-256 of what is counted: an account with a door and a place (records/src/identity/attempts.rs)';
