/* SPDX-License-Identifier: GPL-2.0 OR MIT */
void klp_other_module_event(void);
