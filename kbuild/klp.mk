# SPDX-License-Identifier: GPL-2.0 OR MIT
# Include from the Makefile of an external module: `make klp/NAME.ko` converts NAME.ko, which keeps
# its name, so that insmod and modprobe know it by the same one.
#   KDIR         the build tree of the kernel that is patched
#   KLP_MAP      where its symbols are, if not there; add --module FILE for each patched module
#   KLP_CONVERT  the converter, if it is not in PATH
KLP_CONVERT ?= klp-convert
KLP_MAP ?= --vmlinux $(KDIR)/vmlinux --symvers $(KDIR)/Module.symvers
klp/%.ko: %.ko ; mkdir -p $(@D) && $(KLP_CONVERT) convert $(KLP_MAP) $< -o $@
