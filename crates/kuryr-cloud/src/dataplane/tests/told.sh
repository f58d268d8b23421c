#!/bin/sh
# What a client of DHCP calls with an event ($1 of busybox's, $reason of ISC's) and, in the environment, what it was told: that
# is kept in $TOLD.
event=${1:-$reason}
env > "$TOLD/$event.new" && mv "$TOLD/$event.new" "$TOLD/$event"
