/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings of the service: read at the start, and again on SIGHUP. */
#pragma once

struct context;

/* Fills context->settings; a private daemon reads nothing. What is wrong is logged and changes nothing. */
void reload_begin(struct context *context);
/*
 * Read again and tell the service manager (sd_notify(3), RELOADING=1). Anything wrong, and the old settings stay, all
 * of them. New limits hold for what comes; nobody is thrown out.
 */
void reload(struct context *context);
