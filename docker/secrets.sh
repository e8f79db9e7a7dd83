#!/bin/sh
# Makes one random password and what the services need to know of it, unless it is there already.
# The files are readable to all users of the containers that mount the volume, and to nobody else.
set -eu
folder=$1
[ -e "$folder/complete" ] && exit 0
password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
umask 022
printf '%s' "$password" >"$folder/password"
printf 'postgresql://spendline:%s@postgres:5432/spendline' "$password" >"$folder/database_url"
printf 'amqp://spendline:%s@rabbitmq:5672/%%2F' "$password" >"$folder/broker_url"
printf 'redis://:%s@redis:6379/0' "$password" >"$folder/redis_url"
cat >"$folder/rabbitmq.conf" <<END
default_user = spendline
default_pass = $password
log.console = true
log.console.level = warning
END
cat >"$folder/redis.conf" <<END
requirepass $password
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
END
touch "$folder/complete"
