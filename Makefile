# For comfort: everything here is a cargo command, too.
.PHONY: run test ci image

run:
	cargo run --release -- serve

test:
	cargo test --locked

ci:
	.ci/run

image:
	docker build --tag addressbook .
