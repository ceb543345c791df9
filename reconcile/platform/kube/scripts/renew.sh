# Sourced by ready.sh, every few seconds: the server takes in what changed in its
# Secrets. Kubelets bring a changed Secret to their pods within some two minutes,
# each at its own time, and clients take theirs. So a new password is first let in
# beside the old one; when every pod must have it, this one logs in to others with
# it; and when none logs in with the old one any more, that is let in no longer.
umask 077
cd /run/slotwright || exit 0
user=${SLOTWRIGHT_USER:-default}
wait=${SECRET_SECONDS:-300}
tell() { [ "$(printf '%s\n' "$1" | ask)" = OK ]; }
age() { echo $(($(date +%s) - $(cat since))); }
renew_password() {
	name=$(printf %s "$user" | quoted)
	latest=password
	[ -f next ] && latest=next
	wanted=$(first_line "$given")
	if [ -n "$wanted" ] && [ "$wanted" != "$(cat $latest)" ]; then
		tell "ACL SETUSER $name $(printf '>%s' "$wanted" | quoted)" || return
		printf %s "$wanted" >next.new && date +%s >since && mv next.new next
	elif [ -f next ] && [ "$(age)" -ge "$wait" ]; then
		tell "CONFIG SET masterauth $(quoted <next)" && mv next password
	elif [ ! -f next ] && [ -f since ] && [ "$(age)" -ge $((2 * wait)) ]; then
		if [ "$user" = default ]; then
			tell "CONFIG SET requirepass $(quoted <password)"
		else
			tell "ACL SETUSER $name resetpass $({ printf '>' && cat password; } | quoted)"
		fi && rm since
	fi
}
if [ -f "$given" ] && [ -f password ]; then
	renew_password
fi
if [ -d "$certs" ] && [ "$(sum_of /slotwright/tls)" != "$(sum_of "$certs")" ] && set_certificates; then
	take_certificates
fi
