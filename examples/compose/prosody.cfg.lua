-- Prosody for compose.yaml. Its ports and the secret come from the environment (ENV_…).
-- No TLS: compose.yaml publishes the client port on this machine's loopback only. Do not publish it further like this.
data_path = ENV_DATA
pidfile = ENV_DATA .. "/prosody.pid"
log = { info = "*console" }

interfaces = { ENV_INTERFACE }
c2s_ports = { tonumber(ENV_CLIENT_PORT) }
c2s_direct_tls_ports = {}
component_interfaces = { ENV_INTERFACE }
component_ports = { tonumber(ENV_COMPONENT_PORT) }
modules_enabled = { "disco", "offline", "ping", "posix", "roster", "saslauth" }
modules_disabled = { "s2s", "tls", "http" }

authentication = "internal_hashed"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true

VirtualHost "localhost"

Component "events.localhost"
  component_secret = ENV_COMPONENT_SECRET
