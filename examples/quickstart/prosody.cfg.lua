-- A private Prosody for the quickstart: loopback only, no TLS, no federation, data in a throw-away folder.
-- The words between @ signs are filled in by the script beside this file.
data_path = "@DIR@"
pidfile = "@DIR@/prosody.pid"
log = { info = "@DIR@/prosody.log" }
certificates = "@DIR@"

interfaces = { "127.0.0.1" }
c2s_ports = { @CLIENT_PORT@ }
c2s_direct_tls_ports = {}
component_interfaces = { "127.0.0.1" }
component_ports = { @COMPONENT_PORT@ }
modules_enabled = { "disco", "ping", "roster", "saslauth" }
modules_disabled = { "s2s", "tls", "http", "offline" }

authentication = "internal_hashed"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true

VirtualHost "localhost"

Component "@DOMAIN@"
  component_secret = "@SECRET@"
