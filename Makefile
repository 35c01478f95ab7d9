# make demo   the whole loop on a simulated arm, on a fresh machine too
# make test   every test that is quick enough to run all the time
# make bench  the figures of docs/reference/benchmarks.md; make peers once for those that compare with others
# make bench-smoke   every benchmark in a size that says nothing, to see that it runs
# make lock   the hashes of what requirements/ pins; make licences: the licence of each package
# make docs   the documentation site, build/docs/index.html; no ROS needed
# make metaworld, make metaworld-test   an environment of its own for MetaWorld's tasks, no ROS in it
#
# Where a ROS 2 is sourced it is used; else ROS 2 comes from PyPI wheels (DISTRO=kilted or jazzy).
DISTRO ?= kilted
PYTHON ?= python3
VENV := $(if $(filter kilted,$(DISTRO)),.venv,.venv-$(DISTRO))
BIN := $(VENV)/bin
BUILD := build/$(DISTRO)
METAWORLD := .venv-metaworld
DOCS := .venv-docs
PACKAGES := g++ make python3-dev python3-venv
GROUP ?=
ARGS ?=

# ros2 is there exactly when a ROS is sourced (the wheels have no ros2 command).
SOURCED := $(if $(ROS_DISTRO),$(shell command -v ros2))
PINS := $(patsubst %,requirements/locked/%.txt,robot train interop signing view dev \
	$(if $(SOURCED),,wheels ros-$(DISTRO)))
INTERFACES := CMakeLists.txt package.xml $(wildcard cmake/* msg/*.msg srv/*.srv action/*.action)
# Interface packages that the wheels lack. A sourced ROS brings them.
OVERLAY := $(if $(SOURCED),,$(patsubst overlay/%/package.xml,%,$(wildcard overlay/*/package.xml)))
# With a sourced ROS the shell has to learn where the package was built; the wheels know.
ENTER := $(if $(SOURCED),. $(VENV)/local_setup.sh &&)

# Nothing of a demo, a test or a benchmark leaves this machine.
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST

.PHONY: setup demo test test-all lint bench bench-smoke docs clean metaworld metaworld-test peers lock \
	licences
setup: $(VENV)/.built

# A pool of BLAS threads spins between the small products of the nodes: 83 % of a core each.
demo: setup
	$(ENTER) OPENBLAS_NUM_THREADS=1 $(BIN)/il_ros demo $(ARGS)

# Tests whose nodes keep to the clock run two files at a time, apart from all others. Files are handed out
# whole, because what a file needs is made once, and in the order that test/conftest.py gives them.
# OMP_NUM_THREADS: threads that wait for one another cost more than they do. 5: none was chosen.
# HYPOTHESIS_PROFILE: the same examples each time, or new ones.
test test-all: SLOW = $(if $(filter test,$@),and not slow)
test test-all: PYTEST = OMP_NUM_THREADS=1 HYPOTHESIS_PROFILE=$(if $(filter test,$@),same,new) $(BIN)/python -m pytest --dist loadfile \
	--no-loadscope-reorder
test test-all: setup
	$(ENTER) $(PYTEST) -n logical -m 'not real_time $(SLOW)' $(ARGS) || [ $$? = 5 ]
	$(ENTER) $(PYTEST) -n 2 -m 'real_time $(SLOW)' $(or $(ARGS),test/ros) || [ $$? = 5 ]

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(ENTER) $(BIN)/python -m benchmarks $(if $(GROUP),--group $(GROUP)) $(ARGS)

bench-smoke: setup
	$(ENTER) $(BIN)/python -m benchmarks --smoke $(if $(GROUP),--group $(GROUP)) $(ARGS)

# The API pages are made from the source text, so nothing of the package is installed. No --quiet:
# it hides the warnings from --strict, too.
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict
	@echo "docs: build/docs/index.html"

$(DOCS)/.installed: requirements/locked/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r $<
	@touch $@

metaworld: $(METAWORLD)/.installed

metaworld-test: metaworld
	$(METAWORLD)/bin/python -m pytest $(wildcard test/*/test_metaworld*.py) $(ARGS)

# What make bench compares with, in an environment of its own.
peers: .venv-imitation/.installed

.venv-imitation/.installed: requirements/peer-imitation.txt
	$(PYTHON) -m venv .venv-imitation
	.venv-imitation/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# The hashes of everything that is pinned, written anew after a change of requirements/*.txt.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/locked/lock.txt
	build/lock/bin/python requirements/lock.py build/lock/bin/uv

licences: setup
	$(BIN)/python requirements/licences.py

clean:
	rm -rf .venv .venv-jazzy .venv-imitation $(METAWORLD) $(DOCS) build log runs .pytest_cache \
		.mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: $(PINS)
	@bash cmake/system_packages.sh $(PYTHON) $(PACKAGES)
	@echo "setup: Python packages into $(VENV) (ROS: $(or $(SOURCED),$(DISTRO) from wheels))"
	$(PYTHON) -m venv $(if $(SOURCED),--system-site-packages) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes $(PINS:%=-r %)
	@# Which build of torch is right depends on the machine, so it has no hash.
	grep '^torch==' requirements/robot.txt > $(VENV)/torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/torch.txt
	@touch $@

# MetaWorld pins a MuJoCo of its own; everything else is as for training. Sources are used in place.
$(METAWORLD)/.installed: $(patsubst %,requirements/%.txt,robot train dev metaworld)
	@bash cmake/system_packages.sh $(PYTHON) $(PACKAGES)
	@echo "metaworld: Python packages into $(METAWORLD)"
	$(PYTHON) -m venv $(METAWORLD)
	grep -hv '^mujoco' requirements/robot.txt requirements/train.txt requirements/dev.txt > $(METAWORLD)/training.txt
	$(METAWORLD)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r $(METAWORLD)/training.txt -r requirements/metaworld.txt
	$(METAWORLD)/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@

# Only what the environment has not got from elsewhere.
$(VENV)/.overlay_%: $(VENV)/.installed overlay/%/CMakeLists.txt overlay/%/package.xml $(wildcard overlay/*/msg/*.msg overlay/*/srv/*.srv overlay/*/action/*.action)
	@echo "setup: building the interfaces of $* into $(VENV)"
	$(PREFIXES) $(COLCON) --base-paths overlay/$* $(CMAKE_ARGS)
	@touch $@

PREFIXES = $(if $(SOURCED),,AMENT_PREFIX_PATH=$(CURDIR)/$(VENV) CMAKE_PREFIX_PATH=$(CURDIR)/$(VENV)) \
	PATH="$(CURDIR)/$(BIN):$$PATH"
COLCON = colcon --log-base $(BUILD)/log build --build-base $(BUILD) --install-base $(VENV) \
	--merge-install --symlink-install
CMAKE_ARGS = --cmake-args -DPython3_EXECUTABLE=$(CURDIR)/$(BIN)/python -DBUILD_TESTING=OFF -Wno-dev \
	-Wno-unused-cli

# A folder changes when a file is added: each file of launch and config is linked by itself.
$(VENV)/.built: $(VENV)/.installed $(OVERLAY:%=$(VENV)/.overlay_%) $(INTERFACES) launch config $(wildcard config/*/)
	@echo "setup: building the package into $(VENV)"
	$(PREFIXES) $(COLCON) --base-paths . --packages-select il_ros $(CMAKE_ARGS)
	@# Sources come first on the path, so that an edit needs no new build.
	@echo "import sys; sys.path.insert(0, '$(CURDIR)')" > \
		$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/il_ros.pth
	@touch $@
