# Ready is a server that answers and has its data. Whether the cluster is whole
# does not matter: pods that wait for it would never form one.
. /slotwright/conf/cli.sh
[ "$(ask PING)" = PONG ]
