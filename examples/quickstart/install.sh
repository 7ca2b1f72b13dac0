#!/usr/bin/env bash
# Installs from Debian's packages what the named needs lack; starts, stops and enables no service.
#
#   examples/quickstart/install.sh NEED...        needs: rust compiler prosody
#                                                       prosody_modules ejabberd jabberd2 postgres python javascript openssl
#
# The quickstart and tests/run both call it. Nothing is downloaded when nothing is missing.
set -euo pipefail

declare -A packages=(
  [rust]=""
  [compiler]="gcc libc6-dev"
  [prosody]="prosody"
  [prosody_modules]="prosody-modules"
  [postgres]="postgresql"
  [python]="python3 python3-venv"
  [openssl]="openssl"
  [javascript]="nodejs npm"
  [ejabberd]="ejabberd"
  [jabberd2]="jabberd2"
)
declare -A reasons=(
  [rust]="cargo, from https://rustup.rs: builds the daemon"
  [compiler]="a C compiler and linker: Rust links with it, SQLite and the TLS code are C"
  [prosody]="the XMPP server that the daemon attaches to; a private copy of it is run, not the system's service"
  [prosody_modules]="modules of Prosody's community: the tests let one grant the daemon privileges (XEP-0356)"
  [postgres]="PostgreSQL: a store that several daemons can share; private clusters of it are run, none of the system's"
  [python]="Python with venv: slixmpp, grpcio and http_ece are the foreign clients of the tests"
  [javascript]="Node.js with npm: stanza.js is a foreign client of the tests"
  [openssl]="openssl: makes the key of an account of FCM for the mock of push services; no library in the tree makes keys of RSA"
  [ejabberd]="the second XMPP server of the tests; as with Prosody, a private copy of it is run"
  [jabberd2]="the third XMPP server of the tests; as with Prosody, a private copy of it is run"
)
# Services that a package would have the machine start at its next boot.
declare -A services=(
  [postgres]="postgresql"
  [prosody]="prosody"
  [ejabberd]="ejabberd epmd.service epmd.socket"
  [jabberd2]="jabberd2 jabberd jabberd-router jabberd-sm jabberd-c2s jabberd-s2s"
)

policy=/usr/sbin/policy-rc.d
policy_saved=/usr/sbin/policy-rc.d.before-stanzabus
clusters=/etc/postgresql-common/createcluster.conf
clusters_saved=/etc/postgresql-common/createcluster.conf.before-stanzabus
policy_mark="placed by stanzabus while it installs packages"

main() {
  local need lacking=() wanted=() lacking_services=()
  for need in "$@"; do
    [ -n "${reasons[$need]:-}" ] || die "unknown need '$need'; known: ${!reasons[*]}"
    "have_$need" && continue
    lacking+=("$need")
    read -ra wanted <<<"${wanted[*]} ${packages[$need]}"
    lacking_services+=(${services[$need]:+"${services[$need]}"})
  done
  [ ${#lacking[@]} -gt 0 ] || return 0

  echo "Missing on this machine:"
  for need in "${lacking[@]}"; do echo "  ${packages[$need]:-$need}: ${reasons[$need]}"; done
  [[ " ${lacking[*]} " != *" rust "* ]] || die "cargo is not on the PATH. Install Rust from https://rustup.rs as the user who runs this, then run again."
  command -v apt-get >/dev/null || die "this machine has no apt-get. Install what is listed above by its own means, then run again."
  echo "Installing with apt-get: ${wanted[*]} (no service is started)"
  as_root "$BASH" "${BASH_SOURCE[0]}" --packages "${wanted[*]}" "${lacking_services[*]}"
  for need in "${lacking[@]}"; do
    "have_$need" || die "${packages[$need]} is installed, yet this is still missing: ${reasons[$need]}"
  done
}

have_rust() { command -v cargo >/dev/null; }

have_compiler() {
  printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c -o /dev/null - 2>/dev/null
}

have_prosody() { command -v prosody >/dev/null && command -v prosodyctl >/dev/null; }

have_prosody_modules() { [ -e /usr/lib/prosody/modules/mod_privilege ]; }

# /usr/sbin is not on the PATH of every user.
have_ejabberd() { [ -x /usr/sbin/ejabberdctl ] && command -v erl >/dev/null; }

have_jabberd2() { [ -x /usr/sbin/jabberd2-router ] || [ -x /usr/bin/jabberd2-router ]; }

have_openssl() { command -v openssl >/dev/null; }

have_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

have_javascript() { command -v node >/dev/null && command -v npm >/dev/null; }

have_postgres() { compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    die "installing needs root, and there is no sudo here. Run this as root, or install what is listed above first."
  fi
}

# Runs as root, in a process of its own: its exit puts the policy back, whatever happened.
install_packages() {
  local wanted enabled_now
  read -ra wanted <<<"$1"
  read -ra enabled_now <<<"$(new_services $2)"
  exec 9>/run/stanzabus-install.lock
  flock 9
  trap 'allow_clusters; allow_service_starts' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  deny_service_starts
  case " ${wanted[*]} " in *" postgresql "*) deny_clusters ;; esac
  apt_install "${wanted[@]}"
  for service in "${enabled_now[@]}"; do disable_at_boot "$service"; done
}

# A policy that already denies stays; one that allows is moved aside until the packages are in.
deny_service_starts() {
  if [ -e "$policy" ] && ! grep -q "$policy_mark" "$policy"; then
    local answer=0
    "$policy" any-service start >/dev/null 2>&1 || answer=$?
    [ "$answer" = 101 ] && return
    mv "$policy" "$policy_saved"
  fi
  printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

allow_service_starts() {
  if grep -qs "$policy_mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$policy_saved" ]; then mv "$policy_saved" "$policy"; fi
}

# PostgreSQL's package makes a cluster for the system unless its common package, installed before it, says not to.
deny_clusters() {
  apt_install postgresql-common
  cp --preserve "$clusters" "$clusters_saved"
  echo "create_main_cluster = false" >>"$clusters"
}

allow_clusters() {
  if [ -e "$clusters_saved" ]; then mv "$clusters_saved" "$clusters"; fi
}

apt_install() {
  local log
  log=$(mktemp)
  # The package lists may be absent (a container) or stale (a package has moved on).
  if ! run_apt install "$@" >"$log" 2>&1 && ! { run_apt update && run_apt install "$@"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $*. Mend what it says above (network? /etc/apt/sources.list?), then run again."
  fi
  rm -f "$log"
}

run_apt() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get "$1" --yes --no-install-recommends \
    -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "${@:2}" </dev/null
}

# Those of the services that were not on this machine before: what somebody else runs stays as it is.
new_services() {
  local service
  for service in "$@"; do
    systemctl cat "$service" >/dev/null 2>&1 || [ -e "/etc/init.d/$service" ] || echo -n "$service "
  done
}

disable_at_boot() {
  if command -v systemctl >/dev/null; then
    systemctl disable --quiet "$1" 2>/dev/null || true
  elif command -v update-rc.d >/dev/null; then
    update-rc.d "$1" disable 2>/dev/null || true
  fi
  echo "The system's own $1 stays off, also at the next boot; turn it on with: systemctl enable --now $1"
}

die() {
  echo "error: $*" >&2
  exit 1
}

if [ "${1:-}" = --packages ]; then install_packages "$2" "$3"; else main "$@"; fi
