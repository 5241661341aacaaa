-- Version 2: what has ended is found by its end, so a purge does not walk past all that has not. It adds alone: servers of version 1 go on beside it.

CREATE INDEX grants_by_expiry ON grants (expires_at);
CREATE INDEX grants_revoked ON grants (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX credentials_by_expiry ON credentials (expires_at);
CREATE INDEX replies_by_expiry ON replies (until);
CREATE INDEX clients_by_expiry ON clients (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX consents_by_expiry ON consents (expires_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX replay_by_expiry ON replay (until);
CREATE INDEX limits_by_expiry ON limits (whole_at);
