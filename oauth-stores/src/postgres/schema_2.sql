-- Version 2: clients by document are counted at every first sight of one. In most collations the key of `clients` does not find what begins
-- with a scheme. It adds alone: servers of version 1 go on beside it.

CREATE INDEX IF NOT EXISTS clients_documents ON oauth.clients (id) WHERE id LIKE 'https://%' OR id LIKE 'http://%';
