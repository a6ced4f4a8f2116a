using Mesh.Soak;

return args is ["upstream", string http, string tcp]
    ? await SoakUpstream.RunAsync(http, tcp)
    : await SoakProgram.RunAsync(args, TimeProvider.System);
