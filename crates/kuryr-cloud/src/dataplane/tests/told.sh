#!/bin/sh
# What udhcpc calls with an event and, in the environment, what it was told: that is kept in $TOLD.
env > "$TOLD/$1.new" && mv "$TOLD/$1.new" "$TOLD/$1"
