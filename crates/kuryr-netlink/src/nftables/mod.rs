//! nftables: tables, chains, rules, sets and maps, applied as one transaction.
