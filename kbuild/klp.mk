# SPDX-License-Identifier: GPL-2.0 OR MIT
# Livepatches as external modules: a whole Makefile is
#
#   KDIR ?= /lib/modules/$(shell uname -r)/build
#   include /usr/share/klp-convert/klp.mk
#
# beside a Kbuild file with obj-m. `make` builds, converts and checks into klp/RELEASE/NAME.ko; make
# `install` (to updates/, as kbuild does it: stripped, signed, compressed, depmod), `clean`.
#   KDIR         the build tree or the headers of the kernel that is patched
#   KLP_MAP      where its symbols are, if not there: options of klp-convert, such as -s FILE.map
#   KLP_CONVERT  the converter, if it is not in PATH
#   KLP_SIGN_KEY, KLP_SIGN_CERT  what `install` signs with: files of sign-file; one may have both
# kbuild's own variables (ARCH, CROSS_COMPILE, LLVM, O, M, MO, W, V, INSTALL_MOD_PATH) work as ever.

# kbuild reads the Makefile where there is no Kbuild file; then it says what to build.
ifeq ($(KERNELRELEASE),)

KLP_CONVERT ?= klp-convert
klp_include := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
klp_tree := $(or $(O),$(KDIR))
klp_source := $(abspath $(or $(M),$(CURDIR)))
klp_built := $(abspath $(or $(MO),$(klp_source)))
# As modules have it; Debian's headers have another one in kernel.release.
klp_release := $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' '$(klp_tree)/include/generated/utsrelease.h' 2>/dev/null)
klp_release := $(or $(klp_release),$(shell cat '$(klp_tree)/include/config/kernel.release' 2>/dev/null))
# As people read them.
klp_folder := $(or $(patsubst $(CURDIR)/%,%,$(filter-out $(CURDIR),$(klp_built))),.)
klp_output := $(patsubst ./%,%,$(klp_folder)/klp/$(klp_release))
KLP_MAP ?= --kernel '$(klp_tree)'

# Before anything is linked: without the converter it would stay unconverted.
ifneq ($(filter-out clean,$(or $(MAKECMDGOALS),all)),)
ifeq ($(klp_release),)
$(error KDIR=$(KDIR): no include/config/kernel.release there: give the kernel's build tree, or install \
its headers (Debian: linux-headers-RELEASE, Fedora: kernel-devel, SUSE: kernel-default-devel))
endif
ifeq ($(shell command -v $(KLP_CONVERT)),)
$(error KLP_CONVERT=$(KLP_CONVERT): not found; install klp-convert, or give its path: make KLP_CONVERT=PATH)
endif
endif

klp_kbuild = $(MAKE) -C '$(KDIR)' M='$(klp_source)' CFLAGS_MODULE='$(CFLAGS_MODULE) -I$(abspath $(klp_include))'

# With another key than the kernel's own, which headers do not have. kbuild ignores that signing fails.
ifneq ($(KLP_SIGN_KEY),)
klp_path = $(if $(filter pkcs11:%,$(1)),$(1),$(or $(shell realpath -e -- '$(1)'),$(error $(1): not found)))
klp_hash = $(shell sed -n 's/^CONFIG_MODULE_SIG_HASH="\(.*\)"/\1/p' '$(klp_tree)/include/config/auto.conf')
klp_sign_file = $(shell realpath -e -- '$(klp_tree)/scripts/sign-file' 2>/dev/null || command -v sign-file)
klp_sign = 'cmd_sign="$(or $(klp_sign_file),$(error KLP_SIGN_KEY: there is no scripts/sign-file in $(klp_tree) (its \
kernel is built without CONFIG_MODULE_SIG), and no sign-file in PATH))" $(or $(klp_hash),sha256) \
"$(call klp_path,$(KLP_SIGN_KEY))" "$(call klp_path,$(or $(KLP_SIGN_CERT),$(KLP_SIGN_KEY)))" $$@'
endif

# llvm-strip refuses symbols with SHN_LIVEPATCH.
klp_strip = $(if $(LLVM),$(if $(filter command%,$(origin STRIP)),,STRIP='$(CROSS_COMPILE)strip'))

# What modpost misses is what a conversion finds, or refuses.
klp_undefined := -e '/^WARNING: modpost: "[^"]*" \[.*\] undefined!$$/d' \
	-e "/^WARNING: modpost: .*: symbol '.*' undefined!\$$/d" \
	-e '/^WARNING: modpost: suppressed [0-9]* unresolved symbol warnings/d'

.PHONY: all klp_modules install modules_install clean
all: klp_modules
	$(Q)$(KLP_CONVERT) kbuild --convert '$(klp_folder)' -o '$(klp_output)' $(KLP_MAP)

# 8 is stdout, 9 takes kbuild's status past sed; make's jobserver has 3 and 4.
klp_modules:
	+@{ { { $(klp_kbuild) KBUILD_MODPOST_WARN=1 modules; echo $$? >&9; } 2>&1 >&8 | \
		sed $(klp_undefined) >&2; } 9>&1 | { read -r status; exit $$status; }; } 8>&1

# The converted modules have the names of kbuild's own by now.
install modules_install: all
	+$(klp_kbuild) INSTALL_MOD_DIR=$(or $(INSTALL_MOD_DIR),updates) $(klp_sign) $(klp_strip) modules_install

clean:
	+$(klp_kbuild) clean
	rm -rf '$(klp_built)/klp'

endif
