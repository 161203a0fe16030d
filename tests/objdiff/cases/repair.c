// Premise: a repair as they are: a check was added, and a message with it; all behind it moved
// Changed: submit
#include "kernel.h"

struct request { int length, kind; const char *name; };

static int pending;

static opaque int validate(const struct request *request)
{
	if (WARN_ON_ONCE(!request->name))
		return 22;
	return request->kind > 9 ? 95 : 0;
}

int submit(struct request *request)
{
	static int submitted;
	int error = validate(request);

	if (error)
		return error;
#ifdef PATCHED
	if (request->length > 4096) {
		pr_debug("request is too long\n");
		return 90;
	}
#endif
	WARN_ON(pending < 0);
	pending++;
	submitted++;
	print("%s: request %d\n", request->name, submitted);
	return other(request->length);
}

#ifdef PATCHED
#line 48
#endif
int complete(struct request *request)
{
	static int completed;

	if (WARN_ON(!pending))
		return 3;
	pr_debug("request is complete\n");
	pending--;
	completed++;
	switch (request->kind) {
	case 0: return 5;
	case 1: return 61;
	case 2: return 17;
	case 3: return 4;
	case 4: return 32;
	case 5: return 8;
	}
	return completed;
}
