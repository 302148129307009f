# cmake -DROOT=<templates/> -DOUTPUT=<file.cpp> -P embed_templates.cmake: the files of each template as string literals,
# for new_template.h.
set(code "// Made by embed_templates.cmake.\n#include \"services/cli/new_template.h\"\n\nnamespace tradewind::cli {\n")
foreach(kind Subscriber Service)
  string(TOLOWER ${kind} folder)
  file(GLOB_RECURSE files RELATIVE "${ROOT}/${folder}" "${ROOT}/${folder}/*")
  list(SORT files)
  string(APPEND code "\nconst std::vector<TemplateFile>& ${kind}Template() {\n"
                     "  static const std::vector<TemplateFile> files = {\n")
  foreach(path IN LISTS files)
    file(READ "${ROOT}/${folder}/${path}" text)
    string(APPEND code "      {\"${path}\", R\"tradewind(${text})tradewind\"},\n")
  endforeach()
  string(APPEND code "  };\n  return files;\n}\n")
endforeach()
string(APPEND code "\n}  // namespace tradewind::cli\n")
file(WRITE "${OUTPUT}" "${code}")
