//! kuryr.conf, OS_* and clouds.yaml as typed settings.
