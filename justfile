# Short names for `cargo xtask`, where the work is done.

demo *ARGS:
    cargo xtask demo {{ARGS}}

test *ARGS:
    cargo xtask test {{ARGS}}

tidy:
    cargo xtask tidy

bench *ARGS:
    cargo xtask bench docker {{ARGS}}

soak *ARGS:
    cargo xtask soak {{ARGS}}
