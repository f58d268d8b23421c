//! Links, addresses, routes, namespaces, nftables and conntrack by netlink.
