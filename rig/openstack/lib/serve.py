#!/usr/bin/env python3
"""Serve one OpenStack WSGI API under gunicorn: serve.py NAME BIND WORKERS THREADS CONFIG.

Why not `gunicorn neutron.wsgi.api:application`: the OpenStack modules parse
sys.argv themselves and would trip over gunicorn's arguments.
"""
import os
import sys

name, bind, workers, threads, config = sys.argv[1:6]
sys.argv = [name]  # hide our arguments from oslo.config
confdir = os.path.dirname(config)
if name == "keystone":
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = confdir
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = os.path.basename(config)
elif name == "neutron":
    os.environ["OS_NEUTRON_CONFIG_DIR"] = confdir
    os.environ["OS_NEUTRON_CONFIG_FILES"] = os.path.basename(config)
    # Outside uwsgi/mod_wsgi neutron asks this variable for the worker count;
    # without it ML2/OVN's hash ring raises and no port ever becomes ACTIVE.
    os.environ["ASGI_WORKERS"] = workers
elif name.startswith("octavia"):
    # The OVN provider builds octavia_lib's DriverLibrary() with its hard-coded
    # default paths /var/run/octavia/*.sock (octavia.conf only moves the
    # agent's side), so move the defaults: no root-owned /var/run needed.
    from octavia_lib.api.drivers import driver_lib
    run = os.path.join(os.environ["RIG_DIR"], "run")
    driver_lib.DriverLibrary.__init__.__defaults__ = tuple(
        f"{run}/octavia-{s}.sock" for s in ("status", "stats", "get"))
    if name == "octavia-driver-agent":
        sys.argv = [name, "--config-file", config]
        from octavia.cmd.driver_agent import main
        sys.exit(main())

from gunicorn.app.base import BaseApplication  # noqa: E402


class App(BaseApplication):
    def load_config(self):
        for key, value in dict(
            bind=bind, workers=int(workers), threads=int(threads),
            worker_class="gthread", keepalive=75, timeout=300,
            graceful_timeout=3, proc_name=name, control_socket_disable=True,
            worker_tmp_dir=os.environ.get("TMPDIR"),
        ).items():
            self.cfg.set(key, value)

    def load(self):  # runs in the worker, after the fork
        if name == "keystone":
            from keystone.wsgi.api import application
        elif name == "neutron":
            from neutron.wsgi.api import application
            # Otherwise the first request does it, and others that come meanwhile
            # find an enforcer without rules, which denies them everything.
            from neutron import policy
            policy.init()
        elif name == "octavia":
            from octavia.api import app
            application = app.setup_app(argv=[name, "--config-file", config])
        else:
            raise SystemExit("unknown service " + name)
        open(os.path.join(os.environ["TMPDIR"], f"{name}.{os.getpid()}.loaded"), "w").close()
        return application


App().run()
