#!/usr/bin/env python3
"""Give the rig its first contents over the public APIs (twice is once; standard library only).

  seed.py identity   catalog, service users, projects
  seed.py network    the external network `public`
  seed.py octavia    nothing: wait until it answers
  seed.py answers    nothing: whether the APIs answer, now
"""
import json
import os
import sys
import time
import urllib.error
import urllib.request

env = os.environ
KS = env["RIG_KEYSTONE_URL"]
REGION = "RegionOne"


def call(method, url, body=None, token=None):
    req = urllib.request.Request(url, method=method, data=body and json.dumps(body).encode())
    req.add_header("Content-Type", "application/json")
    if token:
        req.add_header("X-Auth-Token", token)
    for attempt in range(600):  # a service that is just starting: wait for its socket
        try:
            r = urllib.request.urlopen(req, timeout=120)
            break
        except urllib.error.URLError as e:
            if attempt == 599 or not isinstance(e.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    with r:
        raw = r.read()
        return r.headers, json.loads(raw) if raw else {}


def login():
    body = {"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": "admin", "domain": {"id": "default"}, "password": env["RIG_PASSWORD"]}}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}
    return call("POST", KS + "/auth/tokens", body)[0]["X-Subject-Token"]


def ensure(tok, kind, name, **attrs):
    plural = kind + "s"
    found = call("GET", f"{KS}/{plural}?name={name}", token=tok)[1][plural]
    if found:
        return found[0]["id"]
    return call("POST", f"{KS}/{plural}", {kind: {"name": name, **attrs}}, tok)[1][kind]["id"]


def identity(tok):
    roles = {r["name"]: r["id"] for r in call("GET", KS + "/roles", token=tok)[1]["roles"]}
    for r in ("load-balancer_admin", "load-balancer_member"):
        if r not in roles:
            roles[r] = ensure(tok, "role", r)
    projects = {p: ensure(tok, "project", p, domain_id="default")
                for p in ("service", "kuryr", "demo")}
    grants = {  # user -> (project, roles)
        "neutron": ("service", ("admin", "service")),
        "octavia": ("service", ("admin", "service")),
        "kuryr": ("kuryr", ("admin", "member", "load-balancer_admin")),
        "demo": ("demo", ("member", "load-balancer_member")),
    }
    for user, (project, names) in grants.items():
        uid = ensure(tok, "user", user, domain_id="default", password=env["RIG_PASSWORD"],
                     default_project_id=projects[project])
        for r in names:
            call("PUT", f"{KS}/projects/{projects[project]}/users/{uid}/roles/{roles[r]}", token=tok)
    have = {e["service_id"] for e in call("GET", KS + "/endpoints", token=tok)[1]["endpoints"]}
    for type_, name, url in (
            ("identity", "keystone", KS),
            ("network", "neutron", env["RIG_NEUTRON_URL"]),
            ("load-balancer", "octavia", env["RIG_OCTAVIA_URL"])):
        sid = ensure(tok, "service", name, type=type_)
        if sid in have:
            continue
        for interface in ("public", "internal", "admin"):
            call("POST", KS + "/endpoints", {"endpoint": {
                "service_id": sid, "interface": interface, "url": url, "region_id": REGION}}, tok)


def network(tok):
    n = env["RIG_NEUTRON_URL"] + "/v2.0"
    nets = call("GET", n + "/networks?name=public", token=tok)[1]["networks"]
    net = nets[0] if nets else call("POST", n + "/networks", {"network": {
        "name": "public", "router:external": True, "shared": False,
        "provider:network_type": "flat", "provider:physical_network": "public"}}, tok)[1]["network"]
    if not net.get("subnets"):
        call("POST", n + "/subnets", {"subnet": {
            "name": "public-subnet", "network_id": net["id"], "ip_version": 4,
            "cidr": env["RIG_PUBLIC_CIDR"], "gateway_ip": env["RIG_PUBLIC_GATEWAY"],
            "enable_dhcp": False}}, tok)


def octavia(tok):
    call("GET", env["RIG_OCTAVIA_URL"] + "/v2/lbaas/providers", token=tok)


def answers():
    urls = [KS, env["RIG_NEUTRON_URL"]]
    if "octavia" in env["RIG_SERVICES"].split():
        urls.append(env["RIG_OCTAVIA_URL"])
    for url in urls:
        urllib.request.urlopen(url, timeout=20).close()


try:
    if sys.argv[1] == "answers":
        answers()
        sys.exit()
    {"identity": identity, "network": network, "octavia": octavia}[sys.argv[1]](login())
except urllib.error.HTTPError as e:
    sys.exit(f"seed {sys.argv[1]}: {e} {e.url}\n{e.read().decode(errors='replace')[:2000]}")
