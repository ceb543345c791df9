# Sourced by the other scripts. ask sends a command to the server of this pod,
# or with -h and -p first to another one; without any it sends what it reads. The
# password goes by the environment, where no list of processes shows it.
cli=redis-cli
command -v "$cli" >/dev/null 2>&1 || cli=valkey-cli
given=/slotwright/password/password # the Secret's, as of now
login=/run/slotwright/password      # the one that the server has; see renew.sh
first_line() { head -n 1 "$1" | tr -d '\r'; }
quoted() { sed 's/[\\"]/\\&/g; s/^/"/; s/$/"/'; }
certs=/run/slotwright/tls # likewise
sum_of() { cat "$1/ca.crt" "$1/tls.crt" "$1/tls.key" | sha256sum; }
take_certificates() {
	mkdir -p "$certs"
	# The copies before them are as little to be written to as a Secret's files.
	cp -f /slotwright/tls/ca.crt /slotwright/tls/tls.crt /slotwright/tls/tls.key "$certs/"
}
# Set to what they are, the server reads the files again. It keeps what it has when
# they don't fit each other.
set_certificates() {
	[ "$(ask CONFIG SET tls-ca-cert-file /slotwright/tls/ca.crt tls-cert-file /slotwright/tls/tls.crt tls-key-file /slotwright/tls/tls.key)" = OK ]
}
if [ -f "$given" ]; then
	REDISCLI_AUTH=$(if [ -f "$login" ]; then cat "$login"; else first_line "$given"; fi)
	export REDISCLI_AUTH
fi
ask() {
	set -- --no-auth-warning -p 6379 "$@"
	if [ -n "${SLOTWRIGHT_USER:-}" ]; then
		set -- --user "$SLOTWRIGHT_USER" "$@"
	fi
	if [ -d "$certs" ]; then
		set -- --tls --cacert "$certs/ca.crt" --cert "$certs/tls.crt" --key "$certs/tls.key" "$@"
	fi
	timeout 3 "$cli" "$@" 2>/dev/null
}
