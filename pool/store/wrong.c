/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting and saying what is wrong with a store: see wrong.h. */
#include "pool/store/wrong.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void wrong(struct wrongs *w, const char *fmt, ...)
{
	char text[WRONG_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!w->nr++)
		strcpy(w->first, text);
	if (w->say)
		w->say(w->arg, text);
}
