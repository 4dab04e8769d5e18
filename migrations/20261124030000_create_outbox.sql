-- Mail on its way out. A message is written in the transaction of what it tells about, and a delivery takes it from here:
-- what was committed is sent, what was not is not, and a mail server that is away loses nothing.
CREATE TABLE outbox_message (
    outbox_message_id uuid PRIMARY KEY,        -- also the stable left side of the Message-ID
    clinic_id    uuid NOT NULL REFERENCES clinic,
    patient_id   uuid,                         -- whom it is about: sealed under that data key; NULL: under the clinic's
    kind         text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    lang         text NOT NULL CHECK (lang IN ('en', 'es')),
    recipient    bytea,                        -- contents are sealed, and destroyed once they are delivered or too old
    subject      bytea,
    body         bytea,
    calendar     bytea,                        -- an iCalendar object to attach
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'kept', 'dead')),
    attempts     integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,         -- not tried before
    expires_at   timestamptz NOT NULL,         -- of no use to the recipient any more
    failure      text CHECK (failure IN ('refused', 'not_now', 'unsendable', 'expired')),
    smtp_code    smallint,                     -- of the last failure
    created_at   timestamptz NOT NULL,
    settled_at   timestamptz,                  -- when it left 'waiting'
    CHECK ((state = 'waiting') = (settled_at IS NULL)),
    CHECK (state <> 'waiting' OR num_nulls(recipient, subject, body) = 0),
    CHECK (state <> 'delivered' OR num_nonnulls(recipient, subject, body, calendar) = 0),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX outbox_message_due ON outbox_message (clinic_id, due_at) WHERE state = 'waiting';
CREATE INDEX outbox_message_list ON outbox_message (clinic_id, created_at);
CREATE INDEX outbox_message_patient ON outbox_message (clinic_id, patient_id);

ALTER TABLE outbox_message ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox_message FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON outbox_message USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());

-- Never deleted: that a mail went out, when and about whom, stays known when its contents are gone.
GRANT SELECT, INSERT ON outbox_message TO bedside_app;
GRANT UPDATE (recipient, subject, body, calendar, state, attempts, due_at, failure, smtp_code, settled_at) ON outbox_message TO bedside_app;
