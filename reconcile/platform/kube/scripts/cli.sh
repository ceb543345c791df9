# Sourced by the other scripts. ask sends a command to the server of this pod,
# or with -h and -p first to another one. The password goes by the environment,
# where no list of processes shows it.
cli=redis-cli
command -v "$cli" >/dev/null 2>&1 || cli=valkey-cli
if [ -f /slotwright/password/password ]; then
	REDISCLI_AUTH=$(cat /slotwright/password/password)
	export REDISCLI_AUTH
fi
ask() {
	set -- --no-auth-warning "$@"
	if [ -n "${SLOTWRIGHT_USER:-}" ]; then
		set -- --user "$SLOTWRIGHT_USER" "$@"
	fi
	if [ -d /slotwright/tls ]; then
		set -- --tls --cacert /slotwright/tls/ca.crt --cert /slotwright/tls/tls.crt --key /slotwright/tls/tls.key "$@"
	fi
	timeout 3 "$cli" -p 6379 "$@" 2>/dev/null
}
