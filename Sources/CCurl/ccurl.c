#define _GNU_SOURCE
#include "ccurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __APPLE__
#define CCURL_LIBRARY "libcurl.4.dylib"
#else
#define CCURL_LIBRARY "libcurl.so.4"
#endif

// Every function of libcurl that is used, once: the table, its type and its loading follow from this list.
#define CCURL_FUNCTIONS(X) \
  X(curl_global_init) \
  X(curl_version_info) \
  X(curl_easy_init) \
  X(curl_easy_cleanup) \
  X(curl_easy_perform) \
  X(curl_easy_strerror) \
  X(curl_easy_setopt) \
  X(curl_easy_getinfo) \
  X(curl_slist_append) \
  X(curl_slist_free_all) \
  X(curl_multi_init) \
  X(curl_multi_cleanup) \
  X(curl_multi_setopt) \
  X(curl_multi_add_handle) \
  X(curl_multi_remove_handle) \
  X(curl_multi_perform) \
  X(curl_multi_poll) \
  X(curl_multi_wakeup) \
  X(curl_multi_info_read)

static struct {
#define X(name) __typeof__(&name) name;
  CCURL_FUNCTIONS(X)
#undef X
} table;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// Published with release after the table is complete, so that readers need no lock.
static atomic_bool loaded = false;

static bool load_locked(char *message, size_t size) {
  void *library = dlopen(CCURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *reason = dlerror();
    snprintf(message, size, "%s", reason != NULL ? reason : CCURL_LIBRARY " was not found");
    return false;
  }
#define X(name) \
  table.name = (__typeof__(&name))dlsym(library, #name); \
  if (table.name == NULL) { \
    snprintf(message, size, "%s is too old: it has no %s", CCURL_LIBRARY, #name); \
    dlclose(library); \
    return false; \
  }
  CCURL_FUNCTIONS(X)
#undef X
  curl_version_info_data *info = table.curl_version_info(CURLVERSION_NOW);
  // 7.85.0 brought CURLOPT_PROTOCOLS_STR, without which no protocol could be forbidden.
  if (info->version_num < 0x075500) {
    snprintf(message, size, "libcurl %s is too old: 7.85.0 or newer is needed", info->version);
    dlclose(library);
    return false;
  }
  CURLcode code = table.curl_global_init(CURL_GLOBAL_ALL);
  if (code != CURLE_OK) {
    snprintf(message, size, "libcurl could not be initialised: %s", table.curl_easy_strerror(code));
    dlclose(library);
    return false;
  }
  return true;
}

bool ccurl_load(char *message, size_t size) {
  if (atomic_load_explicit(&loaded, memory_order_acquire)) return true;
  pthread_mutex_lock(&lock);
  bool ok = atomic_load_explicit(&loaded, memory_order_relaxed) || load_locked(message, size);
  if (ok) atomic_store_explicit(&loaded, true, memory_order_release);
  pthread_mutex_unlock(&lock);
  return ok;
}

bool ccurl_is_loaded(void) { return atomic_load_explicit(&loaded, memory_order_acquire); }

const char *ccurl_version(void) { return table.curl_version_info(CURLVERSION_NOW)->version; }

CURL *ccurl_easy_init(void) { return table.curl_easy_init(); }
void ccurl_easy_cleanup(CURL *easy) { table.curl_easy_cleanup(easy); }
CURLcode ccurl_easy_perform(CURL *easy) { return table.curl_easy_perform(easy); }
const char *ccurl_easy_strerror(CURLcode code) { return table.curl_easy_strerror(code); }

CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) {
  return table.curl_easy_setopt(easy, option, value);
}
CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
  return table.curl_easy_setopt(easy, option, value);
}
CURLcode ccurl_set_string(CURL *easy, CURLoption option, const char *value) {
  return table.curl_easy_setopt(easy, option, value);
}
CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value) {
  return table.curl_easy_setopt(easy, option, value);
}
CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
  return table.curl_easy_setopt(easy, option, value);
}
CURLcode ccurl_set_body(CURL *easy, const void *bytes, size_t count) {
  // The size must be known before COPYPOSTFIELDS copies, or it copies up to the first NUL.
  CURLcode code = table.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
  if (code != CURLE_OK) return code;
  return table.curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, count > 0 ? bytes : "");
}

#define CCURL_CALLBACK(function, type, callback_option, context_option) \
  CURLcode function(CURL *easy, type callback, void *context) { \
    CURLcode code = table.curl_easy_setopt(easy, callback_option, callback); \
    if (code != CURLE_OK) return code; \
    return table.curl_easy_setopt(easy, context_option, context); \
  }
CCURL_CALLBACK(ccurl_on_write, curl_write_callback, CURLOPT_WRITEFUNCTION, CURLOPT_WRITEDATA)
CCURL_CALLBACK(ccurl_on_header, curl_write_callback, CURLOPT_HEADERFUNCTION, CURLOPT_HEADERDATA)
CCURL_CALLBACK(ccurl_on_read, curl_read_callback, CURLOPT_READFUNCTION, CURLOPT_READDATA)
CCURL_CALLBACK(ccurl_on_seek, curl_seek_callback, CURLOPT_SEEKFUNCTION, CURLOPT_SEEKDATA)
CCURL_CALLBACK(ccurl_on_progress, curl_xferinfo_callback, CURLOPT_XFERINFOFUNCTION, CURLOPT_XFERINFODATA)
CCURL_CALLBACK(ccurl_on_open_socket, curl_opensocket_callback, CURLOPT_OPENSOCKETFUNCTION, CURLOPT_OPENSOCKETDATA)
CCURL_CALLBACK(ccurl_on_close_socket, curl_closesocket_callback, CURLOPT_CLOSESOCKETFUNCTION, CURLOPT_CLOSESOCKETDATA)
CCURL_CALLBACK(ccurl_on_prerequest, curl_prereq_callback, CURLOPT_PREREQFUNCTION, CURLOPT_PREREQDATA)

CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value) {
  return table.curl_easy_getinfo(easy, info, value);
}
CURLcode ccurl_get_double(CURL *easy, CURLINFO info, double *value) {
  return table.curl_easy_getinfo(easy, info, value);
}
CURLcode ccurl_get_offset(CURL *easy, CURLINFO info, curl_off_t *value) {
  return table.curl_easy_getinfo(easy, info, value);
}
CURLcode ccurl_get_string(CURL *easy, CURLINFO info, const char **value) {
  char *text = NULL;
  CURLcode code = table.curl_easy_getinfo(easy, info, &text);
  *value = text;
  return code;
}

struct curl_slist *ccurl_list_append(struct curl_slist *list, const char *text) {
  return table.curl_slist_append(list, text);
}
void ccurl_list_free(struct curl_slist *list) { table.curl_slist_free_all(list); }

CURLM *ccurl_multi_init(void) { return table.curl_multi_init(); }
CURLMcode ccurl_multi_cleanup(CURLM *multi) { return table.curl_multi_cleanup(multi); }
CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return table.curl_multi_setopt(multi, option, value);
}
CURLMcode ccurl_multi_add(CURLM *multi, CURL *easy) { return table.curl_multi_add_handle(multi, easy); }
CURLMcode ccurl_multi_remove(CURLM *multi, CURL *easy) { return table.curl_multi_remove_handle(multi, easy); }
CURLMcode ccurl_multi_perform(CURLM *multi) {
  int running = 0;
  return table.curl_multi_perform(multi, &running);
}
CURLMcode ccurl_multi_poll(CURLM *multi, int milliseconds) {
  return table.curl_multi_poll(multi, NULL, 0, milliseconds, NULL);
}
CURLMcode ccurl_multi_wakeup(CURLM *multi) { return table.curl_multi_wakeup(multi); }
CURL *ccurl_multi_next_done(CURLM *multi, CURLcode *result) {
  int left = 0;
  for (CURLMsg *message; (message = table.curl_multi_info_read(multi, &left)) != NULL;) {
    if (message->msg == CURLMSG_DONE) {
      *result = message->data.result;
      return message->easy_handle;
    }
  }
  return NULL;
}

struct thread_start {
  void (*body)(void *);
  void *context;
};

static void *thread_main(void *raw) {
  struct thread_start start = *(struct thread_start *)raw;
  free(raw);
  start.body(start.context);
  return NULL;
}

int ccurl_start_thread(void (*body)(void *context), void *context) {
  struct thread_start *start = malloc(sizeof *start);
  if (start == NULL) return ENOMEM;
  start->body = body;
  start->context = context;
  pthread_attr_t attributes;
  int code = pthread_attr_init(&attributes);
  if (code == 0) {
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // Set here and taken back at once, so that the new thread never runs with an open mask.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    code = pthread_create(&thread, &attributes, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
  }
  if (code != 0) free(start);
  return code;
}
