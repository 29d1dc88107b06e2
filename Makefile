# For comfort: everything here is a cargo command, too.
.PHONY: run test test-postgres test-cluster test-citus ci image dist

run:
	cargo run --release -- serve

test:
	cargo test --locked

# The same calls on PostgreSQL, which it starts and stops by itself.
test-postgres:
	.ci/postgres

# A switchover and a failover of three nodes under Patroni, which it starts and stops by itself.
test-cluster:
	.ci/cluster

# The same on a cluster of Citus, where the extension is installed.
test-citus:
	.ci/citus

ci:
	.ci/run

image:
	docker build --tag addressbook --build-arg REVISION="$$(git rev-parse HEAD)" .

# What is published: an archive, a Debian package, a bill of materials, their sums.
dist:
	deploy/dist

# The load benchmark (`bench/README.md`): a package of its own, so the product
# never depends on it. Needs wrk; the guard needs cargo alone.
.PHONY: bench bench-quick bench-huge bench-guard bench-attacks bench-build

bench: bench-build
	target/bench/release/addressbook-bench

bench-quick: bench-build
	target/bench/release/addressbook-bench --quick

bench-huge: bench-build
	target/bench/release/addressbook-bench --huge

bench-guard: bench-build
	target/bench/release/addressbook-bench guard

bench-attacks: bench-build
	target/bench/release/addressbook-bench attacks

bench-build:
	cargo build --release --locked
	cargo build --release --locked --manifest-path bench/Cargo.toml --target-dir target/bench
